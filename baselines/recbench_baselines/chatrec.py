"""
ChatRec: a chat model behind a URL picks one of the candidates, without having been tuned.

Gao et al., "Chat-REC: Towards Interactive and Explainable LLMs-Augmented Recommender System", 2023:
a chat model chooses among what a recommender has retrieved. The paper converses, writes a profile
of the user into its prompts and explains its choice; this asks the one question that the other
language models are asked, in one message, and reads one title.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recbench.endpoint.address import Address, key_from_environment
from recbench.endpoint.asking import Asking, price
from recbench.endpoint.client import GOES_ON, Endpoint, check_installed
from recbench.endpoint.kept import KeptAnswers
from recbench.endpoint.ledger import Ledger
from recbench.endpoint.purse import EmptyError, Purse
from recbench.endpoint.under_way import UnderWay
from recbench.errors import UserError
from recbench.llm.prompts.wording import Question, Wording, prompt_files
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Answerer, Runtime, TrainingData
from recbench.settings import Settings

BYTES_A_TOKEN = 4
"""About so many, of English."""


class ChatRecSettings(Settings):
    """
    Whom to ask, and how.

    The key is read from the environment variable ``OPENAI_API_KEY``, and is written nowhere.

    Attributes
    ----------
    endpoint
        Address of a server that speaks OpenAI's protocol, up to ``/chat/completions``:
        ``https://api.openai.com/v1``, ``http://127.0.0.1:8000/v1``.
    chat_model
        Name of the language model, as the server knows it.
    instruction
        Stands before the question in the same message; empty for none.
    temperature, sampling_seed
        That the server is asked to draw words with; None says nothing of it, for servers that
        refuse the field.
    answer_tokens
        Most tokens of an answer. A model that thinks before it writes needs many.
    limit
        Name of the field that says so: ``max_tokens``, which every server knows, or
        ``max_completion_tokens``, which OpenAI's newer models want.
    concurrency
        Questions under way at a time.
    timeout
        Seconds of silence from the server after which a question is put again.
    retries
        How often, with growing pauses or those that the server asks for.
    most_tokens
        A purse: before more tokens than these could be spent in a run, it ends, and the same
        command with a larger purse goes on. 0 asks nothing, and tells what would be asked. None
        for no bound.
    """

    endpoint: Address | None = None
    chat_model: Annotated[str, Field(min_length=1)] | None = None
    instruction: str = (
        "Answer with one title from the list, exactly as it is written there, and nothing else."
    )
    temperature: float | None = Field(0.0, ge=0, le=2)
    sampling_seed: int | None = 0
    answer_tokens: int = Field(64, ge=1)
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    concurrency: int = Field(8, ge=1, le=32)
    timeout: float = Field(120.0, gt=0, le=86_400)
    retries: int = Field(5, ge=0, le=1_000)
    most_tokens: int | None = Field(None, ge=0)

    passing: ClassVar[frozenset[str]] = frozenset(
        {"concurrency", "timeout", "retries", "most_tokens"}
    )
    runtime: ClassVar[frozenset[str]] = passing


class ChatRec(Answerer):
    """A chat model that knows of a user what stands in the question, and of items their titles."""

    settings_class = ChatRecSettings
    settings: ChatRecSettings
    summary = "chat model behind an OpenAI-compatible URL, without tuning; writes, does not rank"
    reference = "Gao et al., 2023, arXiv 2303.14524"
    random_training = False
    auditable = False
    scores_in = "unknown"

    data: TrainingData

    def __init__(self, settings: ChatRecSettings) -> None:
        super().__init__(settings)
        if settings.endpoint is None or settings.chat_model is None:
            raise UserError(
                "chatrec asks a language model behind a URL: say which by --set endpoint=URL, such "
                "as http://127.0.0.1:8000/v1, and --set chat_model=NAME"
            )
        self._address, self._model = settings.endpoint, settings.chat_model
        self._asking: Asking | None = None
        self._left: int | None = None

    def ingredients(self) -> dict[str, Any]:
        """Name the wording of the question."""
        return {"prompts": prompt_files()}

    def prompt(self, data: TrainingData, queries: Queries) -> str:
        """Return the message that is sent."""
        self.data, self._wording = data, Wording(data.verb, *data.noun)
        body = self._body(queries.histories[0].tolist(), queries.candidates[0].tolist())
        return str(body["messages"][0]["content"])

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Learn nothing; find out whether an endpoint can be asked from here."""
        check_installed()
        key_from_environment()
        self.data, self._wording = data, Wording(data.verb, *data.noun)
        return {"parameters_trained": 0}

    def explain(self, queries: Queries, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """Return the message that is sent."""
        row = queries.histories[0].tolist(), queries.candidates[0].tolist()
        return {"prompt": self._content(*row)}

    def save(self, folder: Path) -> None:
        """Write nothing: nothing was learnt."""

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:  # noqa: ARG002
        """Begin again."""
        self.fit(data, runtime)

    def reword(self, words: Question) -> None:
        """Ask in the words of a template."""
        self._wording = Wording(self.data.verb, *self.data.noun, words)

    def announce(self, rows: int, candidates: int, runtime: Runtime) -> None:
        """Say how many questions and about how many tokens it will be."""
        self._left = rows
        read, written = rows * self._about(candidates), rows * self.settings.answer_tokens
        most = self.settings.most_tokens
        spent = self._asked(runtime).purse.spent
        runtime.report(
            f"asking {self._model} at {self._address} {rows:,} questions: about {read:,} tokens to "
            f"read and at most {written:,} to write, less what is kept from before; "
            + (
                "--set most_tokens=N ends before more than N are spent"
                if most is None
                else f"{spent:,} of the purse's {most:,} tokens are spent"
            )
        )

    def answer(self, queries: Queries, runtime: Runtime) -> list[str]:
        """Return the first line of what the chat model wrote, for each row."""
        rows = zip(queries.histories.tolist(), queries.candidates.tolist(), strict=True)
        bodies = [self._body(*row) for row in rows]
        asking = self._asked(runtime)
        try:
            answers = asking.answers(bodies)
        except EmptyError as error:
            raise self._purse_is_empty(error, asking, bodies) from None
        if self._left is not None:
            self._left -= len(bodies)
        return [one.line for one in answers]

    def account(self, runtime: Runtime) -> dict[str, Any]:
        """Return the ledger, and say what a reader of the figures must know of it."""
        asking = self._asked(runtime)
        for line in asking.ledger.lines():
            runtime.report(line)
        lost = asking.under_way.lost
        if not lost:
            return asking.ledger.record()
        runtime.report(
            f"{len(lost):,} answers were not kept, since the process that waited for them was "
            "ended or the disk refused them: the server may have been paid up to "
            f"{sum(lost):,} tokens more"
        )
        return asking.ledger.record() | {"lost": len(lost), "lost_tokens": sum(lost)}

    def _asked(self, runtime: Runtime) -> Asking:
        """Return through what this run asks, with what processes before this one have spent."""
        if self._asking is None:
            told = self.settings
            ledger = Ledger(runtime.checkpoints / "ledger.jsonl")
            kept = KeptAnswers(runtime.cache / "answers", runtime.report)
            place = runtime.checkpoints / "under-way"
            under_way = UnderWay(place, ledger.__contains__, kept.holds)
            self._asking = Asking(
                endpoint=Endpoint(
                    self._address,
                    key_from_environment(),
                    told.timeout,
                    told.retries,
                    runtime.report,
                ),
                kept=kept,
                ledger=ledger,
                purse=Purse(told.most_tokens, ledger.spent + sum(under_way.lost)),
                under_way=under_way,
                at_once=told.concurrency,
                report=runtime.report,
            )
        return self._asking

    def _body(self, history: list[int], candidates: list[int]) -> dict[str, Any]:
        """Write one request."""
        told = self.settings
        sampling = {"temperature": told.temperature, "seed": told.sampling_seed}
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": self._content(history, candidates)}],
            told.limit: told.answer_tokens,
            **{name: value for name, value in sampling.items() if value is not None},
        }

    def _content(self, history: list[int], candidates: list[int]) -> str:
        """Write the one message of a request."""
        titles = self.data.catalogue.titles
        question = self._wording.question(
            [titles[item] for item in history if item != PAD],
            [titles[item] for item in candidates],
        )
        return "\n\n".join(filter(None, [self.settings.instruction, question]))

    def _about(self, candidates: int) -> int:
        """Return about how many tokens a question has, from titles of mean length."""
        titles = self.data.catalogue.titles
        mean = sum(len(title.encode()) + 1 for title in titles) / len(titles)
        shown = self.data.train.histories.shape[1] + candidates
        words = len(self._wording.question(["a"], ["a"])) + len(self.settings.instruction)
        return round((words + shown * mean) / BYTES_A_TOKEN)

    def _purse_is_empty(
        self, error: EmptyError, asking: Asking, bodies: list[dict[str, Any]]
    ) -> UserError:
        """Say what was spent, and what it takes to go on."""
        rows = len(bodies) if self._left is None else self._left
        left = rows - sum(asking.key(body) in asking.ledger for body in bodies)
        paid = asking.ledger.paid
        each = asking.ledger.spent / paid if paid else float(sum(price(bodies[0])))
        return UserError(
            f"the purse is empty: {error.spent:,} of {self.settings.most_tokens:,} tokens are "
            f"spent, and the next question may take {error.price:,}; {left:,} questions are left, "
            f"about {round(left * each):,} tokens; with a larger --set most_tokens {GOES_ON}"
        )
