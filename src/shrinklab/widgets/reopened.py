"""What a reader sees in a notebook that is opened again, before its cells have run."""

from IPython import get_ipython
from IPython.display import HTML, display

from shrinklab.widgets.static import Static, wanted

# While the widget lives, its style sheet hides this line (explorer.css, .sl-reopened).
LINE = '<p class="sl-reopened">Nothing moves below? Run this cell (Shift+Enter): the widget needs Python.</p>'
# ipywidgets mark their boxes when the Python behind them is gone; a box that lives hides the line.
BOX = "sl-explore"
STYLE = (f"<style>.jp-OutputArea:has(.{BOX}:not(.jupyter-widgets-disconnected)) "
         ".jp-OutputArea-child:has(.sl-reopened) { display: none; }</style>")


def leave_line(style=""):
    """Show the line above the widget, where there is a notebook to show it in."""
    shell = get_ipython()
    if not wanted() and shell is not None and getattr(shell, "kernel", None) is not None:
        display(HTML(style + LINE))


class Reopened(Static):
    """Mixin for widgets: shown in a notebook, they leave a readable line above them.

    JupyterLab keeps outputs but not the Python behind them, and says of a widget from an earlier session no more
    than "model not found".
    """

    def _repr_mimebundle_(self, **options):
        leave_line()
        return super()._repr_mimebundle_(**options)
