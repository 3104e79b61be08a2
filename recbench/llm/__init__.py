"""Language models that recommend: backbones, prompts, embedding tokens, the gate, scoring."""
