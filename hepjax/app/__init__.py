"""The application above the library: the command line, run folders, chunks of events, and the demo."""
