"""A language model behind a URL that speaks OpenAI's protocol: asked, paid and kept."""
