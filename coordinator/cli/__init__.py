"""The command line: one file per noun. Nothing heavy is imported until a command needs it."""
