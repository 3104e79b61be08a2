"""What is trained in a language model, and on what: adapters, the gate, objectives, the rows."""
