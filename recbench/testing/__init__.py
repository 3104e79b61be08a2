"""What a plug-in's author tests with: a toy dataset and the contract tests."""
