"""The command line: one file a command group, thin; imports what a command needs in its body."""
