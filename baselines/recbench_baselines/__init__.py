"""The systems that recbench ships, each a plug-in like anyone's: one file a system."""
