"""
Samples that lm-evaluation-harness logs (``--log_samples``): ``samples_TASK_DATE.jsonl``.

Each line holds the row of the task's data as ``doc``, here a line of ``questions.jsonl`` and so its
key, and as ``filtered_resps`` what a filter made of the responses: for a task of ``generate_until``
that is asked once, one text. What it holds for the target is not read.
"""

from collections.abc import Iterator
from pathlib import Path

from recbench.outside.formats.objects import objects
from recbench.outside.given import Given, wrong
from recbench.outside.sheet import Sheet


def read(file: Path, _: Sheet) -> Iterator[Given]:
    """Read the texts of one filter."""
    filters: set[str] = set()
    for where, sample in objects(file):
        doc, responses = sample.get("doc"), sample.get("filtered_resps")
        if not isinstance(doc, dict) or "key" not in doc:
            remedy = "make the task's data of questions.jsonl, and log its samples"
            raise wrong(file, where, "a sample whose doc has a key", doc, remedy)
        if not isinstance(responses, list) or [type(one) for one in responses] != [str]:
            remedy = "take a task of generate_until that is asked once"
            raise wrong(file, where, "one text as filtered_resps", responses, remedy)
        filters.add(str(sample.get("filter")))
        if len(filters) > 1:
            remedy = "keep the samples of one alone"
            raise wrong(file, where, "samples of one filter", sorted(filters), remedy)
        yield Given(where, doc["key"], "text", responses[0])
