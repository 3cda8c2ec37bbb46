"""What the server does to its own process: background, pid file, title, limits, garbage, reports of crashes."""
