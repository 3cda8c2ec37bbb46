"""How clients are served: the loop, the sockets, what is known of clients, pauses, and the end of serving."""
