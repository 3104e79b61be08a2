"""
Constrained beam search: a language model writes the next title, and can write titles alone.

It is tuned as `bigrec` is; what it writes is found by beam search over a trie of all titles
(`recbench.llm.inference.trie`), as De Cao et al., "Autoregressive Entity Retrieval", ICLR 2021, do
for the names of entities. Titles that are found are ranked by their likelihood, all others behind
them.
"""

from typing import Any, ClassVar

from pydantic import Field

from recbench.llm.inference.trie import Trie, in_order
from recbench.llm.settings import PAPER, UnlistedSettings
from recbench.llm.unlisted import Decoder, UnlistedLanguageModel


class ConstrainedBeamSettings(UnlistedSettings):
    """
    `UnlistedSettings` and the search.

    Attributes
    ----------
    beams
        Beginnings of titles that go on at once. More find more titles, in as much more time; with
        as many as there are titles all are found, and ranked by their likelihood.
    """

    beams: int = Field(20, ge=1)

    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": PAPER}


class ConstrainedBeam(UnlistedLanguageModel):
    """A language model that is asked what comes next, and held to the catalogue's titles."""

    settings_class = ConstrainedBeamSettings
    settings: ConstrainedBeamSettings
    summary = "language model with LoRA that writes the next title, by beam search over all titles"
    reference = "De Cao et al., ICLR 2021, arXiv 2010.00904"

    def _decoder(self) -> Decoder:
        trie, beams = Trie.of(self.writer.answers), self.settings.beams
        return lambda reader, prompt: in_order(reader.search(prompt, trie, beams))
