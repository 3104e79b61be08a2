"""From titles to tokens: the words of the question, chat frames, titles that stay text."""
