"""What a reader sees in a notebook that is opened again, before its cells have run."""

import ipywidgets
from IPython import get_ipython
from IPython.display import HTML, display

from shrinklab.widgets.static import Static, wanted

# While the widget lives, its style sheet hides this line (explorer.css, .sl-reopened).
LINE = '<p class="sl-reopened">Nothing moves below? Run this cell (Shift+Enter): the widget needs Python.</p>'
# ipywidgets mark their boxes when the Python behind them is gone; a box that lives hides the line.
STYLE = ("<style>.jp-OutputArea:has(.widget-box:not(.jupyter-widgets-disconnected)) "
         ".jp-OutputArea-child:has(.sl-reopened) { display: none; }</style>")


def leave_line(style=""):
    """Show the line above the widget, where there is a notebook to show it in."""
    if _notebook():
        display(HTML(style + LINE))


def boxes_leave_line():
    """From now on ipywidgets' boxes leave the line as well: a `VBox` shows none of what its parts would leave.

    Through IPython's own register of how types are shown; whoever registered boxes before keeps them.
    """
    shell = _notebook()
    if shell and ipywidgets.Box not in (formatter := shell.display_formatter.mimebundle_formatter):
        formatter.for_type(ipywidgets.Box, _with_line)


def _with_line(box):
    leave_line(STYLE)
    return box._repr_mimebundle_()


def _notebook():
    """IPython's shell in a notebook that somebody may open again; None elsewhere."""
    shell = get_ipython()
    return None if wanted() or getattr(shell, "kernel", None) is None else shell


class Reopened(Static):
    """Mixin for widgets: shown in a notebook, they leave a readable line above them, alone or in a box.

    JupyterLab keeps outputs but not the Python behind them, and says of a widget from an earlier session no more
    than "model not found".
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        boxes_leave_line()

    def _repr_mimebundle_(self, **options):
        leave_line()
        return super()._repr_mimebundle_(**options)
