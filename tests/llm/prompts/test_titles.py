from recbench.llm.prompts.titles import shortened


def words(texts: list[str]) -> list[list[int]]:
    """A token a word, three of dots."""
    return [[len(word) for word in text.replace("...", " . . .").split()] for text in texts]


def test_the_longest_beginning_that_fits_is_shown() -> None:
    title = "one two three four five six seven eight"
    assert shortened([title], 8, words) == [title]
    for limit in range(4, 8):
        assert shortened([title], limit, words) == [" ".join(title.split()[: limit - 3]) + "..."]


def test_a_word_that_is_too_long_is_cut_at_a_letter() -> None:
    def letters(texts: list[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]

    assert shortened(["abcdefghij klm"], 7, letters) == ["abcd..."]
    assert shortened(["abcdefghij klm"], 3, letters) == ["..."]


def test_a_title_of_many_words_is_not_read_once_for_each() -> None:
    read: list[str] = []

    def counted(texts: list[str]) -> list[list[int]]:
        read.extend(texts)
        return words(texts)

    (short,) = shortened(["word " * 499 + "word"], 100, counted)
    assert short == " ".join(["word"] * 97) + "..."
    assert len(read) < 20
