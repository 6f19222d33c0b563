"""The application: layers on the left, their files on the right, findings below."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.theme import Theme
from textual.widgets import Footer, Input, OptionList, Static, Tree

from pyimginspect.errors import PyimginspectError, printable
from pyimginspect.inventory.collect import Inventory
from pyimginspect.report import Finding, Report
from pyimginspect.text import counted, sized
from pyimginspect.tui.files import CHANGES, Change, FileTree, Layers
from pyimginspect.tui.filters import HELP, wanted_by
from pyimginspect.tui.lines import findings_of, headline, layer_lines, lines_of_finding
from pyimginspect.tui.widgets import SEVERITY_STYLES, FileView, FindingList, LayerList, Page

__all__ = ["INTERRUPTED", "Look", "View"]

INTERRUPTED = 130
"""The code that the view returns after Ctrl-C."""

_OWN: frozenset[Change] = frozenset({"added", "changed", "removed"})

_KEYS = """\
Tab, Shift+Tab    next, previous pane
j k, arrows       down, up; g G first, last; Ctrl+D Ctrl+U half a page
h l, Space        fold, unfold a directory; Enter too
Ctrl+L, Ctrl+A    the layer's own changes; all files as of the layer
a c r u           show or hide what is added, changed, removed, unchanged
w                 only wasted space
b                 modes and owners
f                 filter: waste:KIND package:NAME distribution:NAME
                  python:VERSION, or a part of a path
/ n               search a name; next
i                 findings of the whole image, or of what is selected
e                 explain the rule of the finding
p                 the plan: all edits, or what they change in the --dockerfile
y                 copy the finding's fix
t                 dark or light
q                 quit; Escape closes a page"""


DARK = Theme(
    name="dark",
    primary="#2f5d8a",
    accent="#58b8c4",
    warning="#e0a23c",
    error="#e2645c",
    success="#7fb069",
    background="#16191d",
    surface="#16191d",
    panel="#22272e",
    dark=True,
)
LIGHT = Theme(
    name="light",
    primary="#b9d3ea",
    accent="#00707d",
    warning="#b06a00",
    error="#b3261e",
    success="#3a7d20",
    background="#fbfbf9",
    surface="#fbfbf9",
    panel="#eceae4",
    dark=False,
)


class Look(Struct, frozen=True, kw_only=True):
    """What is shown: a report, the image's layers, and what is worked out when asked for.

    ``plan`` and ``explain`` return pages for a width in columns.
    """

    report: Report
    layers: Callable[[], Layers]
    inventory: Callable[[], Inventory]
    plan: Callable[[int], str]
    explain: Callable[[str, int], str]


class View(App[None]):
    """One image, to walk through."""

    CSS_PATH = "view.tcss"
    TITLE = "pyimginspect"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("slash", "ask('search')", "search", key_display="/"),
        Binding("f", "ask('filter')", "filter"),
        Binding("e", "explain", "explain"),
        Binding("p", "plan", "plan"),
        Binding("y", "copy", "copy fix"),
        Binding("w", "waste", "waste"),
        Binding("question_mark", "keys", "keys", key_display="?"),
        # With priority: a focused input would take it for copying.
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("n", "next", show=False),
        Binding("i", "whole", show=False),
        Binding("t", "theme", show=False),
        Binding("b", "attributes", show=False),
        Binding("ctrl+l", "only('own')", show=False),
        Binding("ctrl+a", "only('all')", show=False),
        *(
            Binding(each[0], f"toggle_change('{each}')", show=False)
            for each in ("added", "changed", "removed", "unchanged")
        ),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._changes: frozenset[Change] = _OWN
        self._filter = ""
        self._search = ""
        self._asked = "search"
        self._layer = 0
        self._path = ""
        self._whole = False
        self._findings: list[Finding] = []
        # Threads share the layers' state, and the inventory that is made when first asked for.
        self._lock = threading.Lock()
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = DARK.name

    # --- what is on the screen ----------------------------------------------------------------
    def compose(self) -> ComposeResult:
        """Lay out the panes."""
        report = self._look.report
        yield Static(Content.assemble(*headline(report)), id="head")
        with Horizontal(id="upper"):
            with Vertical(id="left"):
                yield LayerList(layer_lines(report), id="layers")
                yield Static(id="instruction")
            yield FileView(id="files")
        with Horizontal(id="lower"):
            yield FindingList(id="findings")
            with VerticalScroll(id="detail"):
                yield Static(id="finding")
        yield Input(id="ask", classes="hidden", compact=True)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin at the layer that wastes most, and with what is wrong with it."""
        layers = self._look.report.layers
        # Of equal ones the highest, which the user's own Dockerfile made.
        largest = max(layers, key=lambda each: (each.account.waste, each.number), default=None)
        if largest is not None:
            self.query_one(LayerList).highlighted = largest.number
        self.query_one(LayerList).focus()

    @on(OptionList.OptionHighlighted, "#layers")
    def _to_layer(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index != event.option_list.highlighted:
            return  # another one is selected by now
        self._layer, self._path = event.option_index, ""
        layer = self._look.report.layers[self._layer]
        account = layer.account
        said = f"layer {layer.number}: {sized(account.stored)}"
        if account.waste:
            said += f", {sized(account.waste)} wasted"
        said += f", {counted(layer.entries, 'entry', 'entries')}"
        words = printable(layer.instruction) or "its instruction is not known"
        self.query_one("#instruction", Static).update(
            Content.assemble((said, "$accent"), ("\n" + words, "$text-muted"))
        )
        self._show_findings()
        self._load()

    @on(Tree.NodeHighlighted, "#files")
    def _to_file(self, event: Tree.NodeHighlighted[str]) -> None:
        self._path = event.node.data or ""
        self._show_findings()

    @on(OptionList.OptionHighlighted, "#findings")
    def _to_finding(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index < len(self._findings):  # else others are shown meanwhile
            self._show_finding(self._findings[event.option_index])

    def _show_findings(self) -> None:
        found = findings_of(self._look.report, None if self._whole else self._layer, self._path)
        if self._path and not found:
            found = findings_of(self._look.report, self._layer)
        # Filling the list again would move the selection to its top.
        if found == self._findings and self.query_one(FindingList).option_count:
            return
        self._findings = found
        self.query_one(FindingList).show(found)
        if not found:
            where = "the image" if self._whole else f"layer {self._layer}"
            self.query_one("#finding", Static).update(
                Content.styled(f"no finding about {where}", "$text-muted")
            )

    def _show_finding(self, finding: Finding) -> None:
        styles = {
            "message": "bold",
            "evidence": "",
            "instruction": "$text-muted",
            "fix": "$accent",
            "saving": "$text-muted",
        }
        leads = {"evidence": "- ", "instruction": "in ", "fix": "> "}
        lines = [
            (leads.get(kind, "") + text + "\n", styles[kind])
            for kind, text in lines_of_finding(finding)
        ]
        self.query_one("#finding", Static).update(
            Content.assemble(
                (finding.severity, SEVERITY_STYLES[finding.severity]),
                (f" {finding.rule}\n", "$text-muted"),
                *lines,
            )
        )
        self.query_one("#detail").scroll_home(animate=False)

    # --- files --------------------------------------------------------------------------------
    @work(thread=True, exclusive=True)
    def _load(self) -> None:
        """Work out the files of the layer that is selected now, if it still is once it is done."""
        # exclusive=True cancels a worker, which does not stop its thread: it must see for itself.
        asked = self._layer, self._changes, self._filter
        number, changes, text = asked
        with self._lock:
            # Another layer may have been selected while this one waited for the lock.
            if asked != (self._layer, self._changes, self._filter):
                return
            try:
                layers = self._look.layers()
                wanted = None
                if text:
                    wanted = wanted_by(text, self._look.inventory(), layers.wasted(number))
                tree = layers.files(number, changes, wanted)
            # Raised in a thread: textual's widgets may be touched in its own thread alone.
            except PyimginspectError as exc:
                self.call_from_thread(self._refuse, str(exc))
                return
        self.call_from_thread(self._show_files, tree, asked)

    def _refuse(self, message: str) -> None:
        # markup=False: brackets in a file's name would be read as textual's markup.
        self.notify(printable(message), severity="error", markup=False)

    def _show_files(self, tree: FileTree, asked: tuple[int, frozenset[Change], str]) -> None:
        if asked != (self._layer, self._changes, self._filter):
            return
        said = [f"layer {self._layer}"]
        if self._changes != frozenset(CHANGES):
            said.append(", ".join(each for each in CHANGES if each in self._changes) or "nothing")
        if self._filter:
            said.append(printable(self._filter))
        try:
            self.query_one(FileView).show(tree, " · ".join(said))
        except NoMatches:
            return  # a page is on top, or the application ends

    def action_only(self, which: str) -> None:
        """Show the layer's own changes, or all files."""
        self._changes = _OWN if which == "own" else frozenset(CHANGES)
        self._load()

    def action_toggle_change(self, change: Change) -> None:
        """Show or hide one kind of change."""
        self._changes ^= {change}
        self._load()

    def action_waste(self) -> None:
        """Show only wasted space, or all again."""
        self._filter = "" if self._filter == "waste:any" else "waste:any"
        self._load()

    def action_attributes(self) -> None:
        """Show or hide modes and owners."""
        self.query_one(FileView).toggle_attributes()

    def action_whole(self) -> None:
        """Show the findings of the whole image, or of what is selected."""
        self._whole = not self._whole
        self._show_findings()

    # --- questions ----------------------------------------------------------------------------
    def action_ask(self, what: str) -> None:
        """Ask for a name to search, or for a filter."""
        self._asked = what
        ask = self.query_one("#ask", Input)
        ask.placeholder = "a name, or a part of it" if what == "search" else HELP
        ask.value = self._search if what == "search" else self._filter
        ask.remove_class("hidden")
        ask.focus()

    @on(Input.Submitted, "#ask")
    def _answered(self, event: Input.Submitted) -> None:
        self._close_question()
        if self._asked == "search":
            self._search = event.value
            self.action_next()
        else:
            self._filter = " ".join(event.value.split())
            self._load()

    def _close_question(self) -> None:
        self.query_one("#ask").add_class("hidden")
        self.query_one(FileView).focus()

    def on_key(self, event: object) -> None:
        """Close the question with Escape."""
        if getattr(event, "key", "") == "escape" and self.focused is self.query_one("#ask"):
            self._close_question()

    def action_next(self) -> None:
        """Go to the next path whose name has the searched text in it."""
        if self._search and not self.query_one(FileView).search(self._search):
            self.notify(f"no name has '{printable(self._search)}' in it", markup=False)

    # --- pages --------------------------------------------------------------------------------
    def _selected(self) -> Finding | None:
        number = self.query_one(FindingList).highlighted
        return self._findings[number] if number is not None and self._findings else None

    def _page_width(self) -> int:
        """The columns of text on a page, as `view.tcss` lays it out."""
        # 90 % of the screen and 104 columns at most, less border, padding and scroll bar.
        return max(40, min(104, self.size.width * 9 // 10) - 8)

    def action_explain(self) -> None:
        """Explain the rule of the finding that is selected."""
        finding = self._selected()
        if finding is None:
            self.notify("no finding is selected", markup=False)
            return
        width = self._page_width()
        self.push_screen(Page(finding.rule, self._look.explain(finding.rule, width)))

    # In a group of its own, or it would cancel the loading of files.
    @work(thread=True, exclusive=True, group="plan")
    def action_plan(self) -> None:
        """Show the plan; it is worked out when it is asked for first."""
        width = self._page_width()
        try:
            with self._lock:
                text = self._look.plan(width)
        except PyimginspectError as exc:
            self.call_from_thread(self._refuse, str(exc))
            return
        self.call_from_thread(self.push_screen, Page("plan", text))

    def action_keys(self) -> None:
        """Show the keys."""
        self.push_screen(Page("keys", _KEYS))

    def action_copy(self) -> None:
        """Copy the fix of the finding that is selected (OSC 52)."""
        finding = self._selected()
        if finding is None or not finding.fix:
            self.notify("no fix to copy", markup=False)
            return
        self.copy_to_clipboard(finding.fix)
        self.notify("the fix is copied", markup=False)

    def action_interrupt(self) -> None:
        """End as an interrupted command does."""
        self.exit(return_code=INTERRUPTED)

    def action_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
