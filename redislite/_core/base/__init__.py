"""The ground: memory of one engine, byte buffers, clocks, output that signal handlers may write."""
