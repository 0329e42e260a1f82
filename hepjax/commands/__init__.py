"""What the commands of the command line do: files in, files out. Each file of `hepjax.cli` imports its own alone."""
