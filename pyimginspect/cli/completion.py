"""Completions for shells: options, and the names that their values have."""

from __future__ import annotations

from pyimginspect.cli.about import all_rules
from pyimginspect.cli.arguments import build_parser
from pyimginspect.formats import FORMATS
from pyimginspect.policy import BUILTIN
from pyimginspect.report import SEVERITIES

__all__ = ["completion"]

# Both engines take Go templates; errors are hidden, as either may be missing or not running.
_LIST = "images --filter dangling=false --format '{{.Repository}}:{{.Tag}}' 2>/dev/null"
# Names of images have colons, at which bash ends a word (COMP_WORDBREAKS): it wants the part after
# the last colon alone.
_BASH = f"""
_pyimginspect_images() {{
  local word="${{COMP_LINE:0:COMP_POINT}}" before="" names
  word="${{word##* }}"
  case "$COMP_WORDBREAKS" in *:*) before="${{word%"${{word##*:}}"}}" ;; esac
  names="$(docker {_LIST}; podman {_LIST})"
  compgen -W "$names" -- "$word" | while read -r name; do echo "${{name#"$before"}}"; done
  compgen -f -- "$1"
}}
_pyimginspect_policies() {{
  compgen -W "{" ".join(BUILTIN)}" -- "$1"
  compgen -f -- "$1"
}}
"""
# _values takes what follows a colon for a message, unless a backslash stands before it.
_ZSH = f"""
_pyimginspect_images() {{
  local -a names
  names=(${{(f)"$(docker {_LIST}; podman {_LIST})"}})
  (( $#names )) && _values image "${{(@)names//:/\\:}}"
  _files
}}
_pyimginspect_policies() {{
  _values policy {" ".join(BUILTIN)}
  _files
}}
"""


def completion(shell: str) -> str:
    """Return the script that makes a shell complete options, names, files and local images.

    Formats, rules, severities and the built-in policies are offered as they are in this release;
    images are those of the local Docker and Podman, asked when the shell completes.
    """
    import shtab

    rules = sorted(all_rules())
    offered = {
        "format": FORMATS,
        "explain": rules,
        "select": rules,
        "extend_select": rules,
        "ignore": rules,
        "fail_on": (*SEVERITIES, "never"),
    }
    parser = build_parser()
    for action in parser._actions:
        complete: object = None
        if action.dest in ("images", "against", "base"):
            complete = {"bash": "_pyimginspect_images", "zsh": "_pyimginspect_images"}
        elif action.dest == "policy":
            complete = {"bash": "_pyimginspect_policies", "zsh": "_pyimginspect_policies"}
        # shtab offers files by itself for no option: argparse does not tell what a value is.
        elif action.metavar == "FILE":
            complete = shtab.FILE
        elif action.dest in offered and action.choices is None:
            action.choices = offered[action.dest]
        if complete is not None:
            setattr(action, "complete", complete)  # noqa: B010  # shtab's own attribute
    text: str = shtab.complete(
        parser,
        shell,
        preamble={"bash": _BASH, "zsh": _ZSH}[shell] if shell in ("bash", "zsh") else "",
    )
    return text
