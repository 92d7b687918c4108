"""JupyterLab's server sends to the page at once: named in tools/lab_config/jupyter_server_config.json.

A kernel says "busy" before it answers. Without TCP_NODELAY the answer waits until the browser has acknowledged that,
which Linux puts off for 40 ms: longer than a move of LeNet takes to compute.
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class AtOnce(ZMQChannelsWebsocketConnection):
    """A kernel's connection to a page whose small messages do not wait for each other."""

    def connect(self):
        """Switch the waiting off, then connect as ever."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
