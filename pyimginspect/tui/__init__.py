"""An interactive view of an image in a terminal (extra ``tui``): layers, their files, findings.

What is shown is worked out in :mod:`pyimginspect.tui.files`, :mod:`pyimginspect.tui.filters` and
:mod:`pyimginspect.tui.lines`, which know nothing of terminals; the rest draws it with textual.
"""
