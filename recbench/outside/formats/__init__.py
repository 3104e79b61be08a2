"""
Formats of answer files, one a module with one function.

To add one: write a function as `recbench.outside.given.Reader` says, which refuses whatever it does
not recognise, and name it here, in `recbench.outside.unread`, in `recbench_cli.score` and in
``docs/outside.md``.
"""

from recbench.outside.formats import llara, lm_eval, plain, recbole, trec
from recbench.outside.given import Reader

FORMATS: dict[str, Reader] = {
    "plain": plain.read,
    "llara": llara.read,
    "lm-eval": lm_eval.read,
    "recbole": recbole.read,
    "trec": trec.read,
}
"""What ``--format`` takes."""
