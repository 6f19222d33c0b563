"""The panes: layers, files, findings, and a page of text on top of them."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static, Tree
from textual.widgets.option_list import Option
from textual.widgets.tree import TreeNode

from pyimginspect.errors import printable
from pyimginspect.report import Finding
from pyimginspect.text import sized
from pyimginspect.tui.files import Change, FileTree
from pyimginspect.tui.lines import BAR, LayerLine, mode_of, note_of

__all__ = ["SEVERITY_STYLES", "FileView", "FindingList", "LayerList", "Page"]

_MOST = 2000  # entries of a directory that are shown: a person filters beyond that
_FEW = 40  # files that are all shown at once

_MARKS: dict[Change, str] = {"added": "+", "changed": "~", "removed": "-", "unchanged": " "}
_STYLES: dict[Change, str] = {
    "added": "green",
    "changed": "yellow",
    "removed": "red strike",
    "unchanged": "",
}
SEVERITY_STYLES = {"error": "$text-error", "warning": "$text-warning", "note": "$text-muted"}

_KEYS: list[BindingType] = [
    Binding("j", "cursor_down", show=False),
    Binding("k", "cursor_up", show=False),
    Binding("ctrl+d", "page_down", show=False),
    Binding("ctrl+u", "page_up", show=False),
]
"""What moves the cursor of every pane."""
_LIST_KEYS: list[BindingType] = [
    *_KEYS,
    Binding("g", "first", show=False),
    Binding("G", "last", show=False),
]


class LayerList(OptionList):
    """The layers, the lowest first: number, size, bar, instruction."""

    BINDINGS: ClassVar[list[BindingType]] = _LIST_KEYS

    def __init__(self, lines: list[LayerLine], *, id: str) -> None:
        super().__init__(*(Option(_layer(line)) for line in lines), id=id, markup=False)
        self.border_title = "layers"


def _layer(line: LayerLine) -> Content:
    space = " " * (BAR - line.live - line.wasted)
    return Content.assemble(
        (f"{line.number:>3} ", "$text-muted"),
        f"{line.size:>8} ",
        ("█" * line.live, "$foreground 30%" if line.base else "$accent"),
        ("█" * line.wasted, "$warning"),
        space,
        (f"{line.findings or '':>3} ", "$text-warning"),
        (line.instruction, "$text-muted" if line.base else ""),
    )


class FindingList(OptionList):
    """Findings about what is selected, the worst first."""

    BINDINGS: ClassVar[list[BindingType]] = _LIST_KEYS

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.border_title = "findings"

    def show(self, findings: list[Finding]) -> None:
        """Show these, the first of them selected."""
        self.clear_options()
        self.add_options([Option(_finding(each)) for each in findings])
        self.border_subtitle = str(len(findings)) if findings else ""
        if findings:
            self.highlighted = 0


def _finding(finding: Finding) -> Content:
    size = sized(finding.saving) if finding.saving else ""
    return Content.assemble(
        (f"{finding.severity:8}", SEVERITY_STYLES[finding.severity]),
        (f"{size:>8} ", "$text-muted"),
        printable(finding.message),
    )


class FileView(Tree[str]):
    """The files of a layer; a directory is filled when it is opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_KEYS,
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
        Binding("h,left", "fold", show=False),
        Binding("l,right", "unfold", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        # rich's Text and not a string: Tree would read markup in it.
        super().__init__(Text("/"), data="", id=id)
        self.border_title = "files"
        # At the default, 4, deep paths leave little room for their names.
        self.guide_depth = 2
        self._files = FileTree({})
        self._attributes = False

    def show(self, files: FileTree, title: str) -> None:
        """Show the files of another layer, or others of the same."""
        self._files = files
        self.border_title = "files"
        self.border_subtitle = title
        self.clear()
        self.root.set_label(self._label(""))
        self._fill(self.root)
        self.root.expand()
        if not len(files):
            self.root.add_leaf(Text("no file of this layer is chosen", "dim"), data=None)
        elif len(files) <= _FEW:
            self._open_all()
        else:
            self._open_single(self.root)

    def toggle_attributes(self) -> None:
        """Show or hide modes and owners."""
        self._attributes = not self._attributes
        todo = [self.root]
        while todo:
            node = todo.pop()
            if node.data is not None:
                node.set_label(self._label(node.data))
            todo.extend(node.children)

    def search(self, text: str) -> bool:
        """Go to the next name with ``text`` in it; return whether there is one."""
        node = self.cursor_node
        path = self._files.search(text, (node.data or "") if node is not None else "")
        if path is None:
            return False
        node = self.root
        parts = path.split("/")
        for depth in range(len(parts)):
            self._fill(node)
            node.expand()
            below = "/".join(parts[: depth + 1])
            found = next((each for each in node.children if each.data == below), None)
            if found is None:  # beyond what is shown of its directory
                found = self._add(node, below)
            node = found
        self.call_after_refresh(self.move_cursor, node)  # once it has a line
        return True

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[str]) -> None:
        """Fill a directory that is opened."""
        self._fill(event.node)
        self._open_single(event.node)

    def action_fold(self) -> None:
        """Close the directory, or go to the one above."""
        node = self.cursor_node
        if node is None:
            return
        if node.is_expanded and node.allow_expand and node is not self.root:
            node.collapse()
        elif node.parent is not None:
            self.move_cursor(node.parent)

    def action_unfold(self) -> None:
        """Open the directory, or go to the first below."""
        node = self.cursor_node
        if node is None or not node.allow_expand:
            return
        if node.is_expanded and node.children:
            self.move_cursor(node.children[0])
        else:
            node.expand()

    def _open_all(self) -> None:
        todo = [self.root]
        while todo:
            node = todo.pop()
            if node.allow_expand:
                self._fill(node)
                node.expand()
                todo.extend(node.children)

    def _open_single(self, node: TreeNode[str]) -> None:
        """Open what alone is in a directory, and so on: nobody wants to do that by hand."""
        while len(node.children) == 1 and node.children[0].allow_expand:
            node = node.children[0]
            self._fill(node)
            node.expand()

    def _fill(self, node: TreeNode[str]) -> None:
        # Each directory is filled once, when it is opened: an image may have half a million paths.
        if node.children or node.data is None:
            return
        below = self._files.children(node.data)
        for path in below[:_MOST]:
            self._add(node, path)
        if len(below) > _MOST:
            more = f"… {len(below) - _MOST:,} more: filter (f) or search (/)"
            node.add_leaf(Text(more, "dim"), data=None)

    def _add(self, node: TreeNode[str], path: str) -> TreeNode[str]:
        return node.add(self._label(path), data=path, allow_expand=self._files.is_directory(path))

    def _label(self, path: str) -> Text:
        file = self._files.file(path)
        size = self._files.size(path)
        name = printable(path.rpartition("/")[2]) or "/"
        label = Text(no_wrap=True)
        if self._attributes and file is not None:
            label.append(f"{mode_of(file)} ", "dim")
        if file is None:
            label.append(f"  {name}", Style(dim=True))
        else:
            label.append(f"{_MARKS[file.change]} {name}", _STYLES[file.change])
            if file.target:
                label.append(f" → {printable(file.target)}", "dim")
        if size:
            label.append(f"  {sized(size)}", "dim")
        if file is not None and (note := note_of(file)):
            label.append(f"  {note}", "yellow")
        return label


class Page(ModalScreen[None]):
    """A page of text on top of everything."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close"),
        Binding("j,down", "scroll('down')", show=False),
        Binding("k,up", "scroll('up')", show=False),
        Binding("ctrl+d,pagedown,space", "scroll('page_down')", show=False),
        Binding("ctrl+u,pageup", "scroll('page_up')", show=False),
        Binding("g,home", "scroll('home')", show=False),
        Binding("G,end", "scroll('end')", show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with VerticalScroll(id="page") as page:
            page.border_title = printable(self._title)
            page.border_subtitle = "Escape closes"
            # Content and not a string, in which textual would read markup.
            yield Static(Content("\n".join(map(printable, self._text.split("\n")))))

    def action_scroll(self, where: str) -> None:
        """Scroll the page."""
        getattr(self.query_one("#page"), f"scroll_{where}")(animate=False)
