"""
Train a model in RecBole itself on exported rows, and save its scores for frozen questions.

    python docs/recbole_answers.py SPLITS QUESTIONS OUT.npz [NAME=VALUE ...]

It needs RecBole and nothing of recbench: SPLITS is what `recbench data export` wrote, of which
training and validation rows are read, and QUESTIONS what `recbench questions` wrote. NAME=VALUE is
a setting of RecBole's; `model=NARM` takes another model than SASRec.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
from recbole.utils.case_study import full_sort_scores

SETTINGS = {
    "model": "SASRec",
    "train_neg_sample_args": None,
    "loss_type": "CE",
    "MAX_ITEM_LIST_LENGTH": 10,
    "benchmark_filename": ["train", "valid", "test"],
    "alias_of_item_id": ["item_id_list"],
    "load_col": {"inter": ["user_id", "item_id_list", "item_id"], "item": ["item_id"]},
    "valid_metric": "NDCG@10",
    "show_progress": False,
    "use_gpu": torch.cuda.is_available(),
}


def lines(file):
    """Read JSON Lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def as_given(change):
    """Read NAME=VALUE, the value as JSON or, where it is none, as the text itself."""
    name, _, value = change.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def write_atomic(file, rows):
    """Write (user, history, target) as RecBole reads a finished split."""
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    texts = (f"{user}\t{' '.join(map(str, history))}\t{target}\n" for user, history, target in rows)
    file.write_text(header + "".join(texts), encoding="utf-8")


def main(splits, questions, out, *changes):
    """Train, score, save."""
    asked = lines(Path(questions) / "questions.jsonl")
    items = (Path(splits) / "items.tsv").read_text(encoding="utf-8").splitlines()[1:]
    with TemporaryDirectory() as folder:
        here = Path(folder) / "asked"
        here.mkdir()
        ids = "\n".join(line.split("\t")[0] for line in items)
        (here / "asked.item").write_text(f"item_id:token\n{ids}\n", encoding="utf-8")
        for part, name in (("train", "train"), ("validation", "valid")):
            rows = lines(Path(splits) / f"{part}.jsonl")
            rows = [(f"{name}{n}", row["history"], row["target"]) for n, row in enumerate(rows)]
            write_atomic(here / f"asked.{name}.inter", rows)
        # A question has no target: some item stands in its place, and nobody looks at it.
        first = asked[0]["history"][0]
        write_atomic(here / "asked.test.inter", [(a["key"], a["history"], first) for a in asked])
        settings = SETTINGS | {"data_path": folder, "checkpoint_dir": folder}
        settings |= dict(map(as_given, changes))
        sys.argv = sys.argv[:1]  # RecBole reads it, too
        config = Config(dataset="asked", config_dict=settings)
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        train, valid, test = data_preparation(config, dataset)
        init_seed(config["seed"], config["reproducibility"])
        model = get_model(config["model"])(config, train.dataset).to(config["device"])
        get_trainer(config["MODEL_TYPE"], config["model"])(config, model).fit(
            train, valid, saved=False, show_progress=False
        )
        keys = [row["key"] for row in asked]
        users = dataset.token2id("user_id", keys)
        scores = full_sort_scores(users, model, test, device=config["device"]).cpu().numpy()
        tokens = dataset.id2token("item_id", np.arange(dataset.item_num)).astype(str)
    np.savez(out, key=np.array(keys), scores=scores, iid=tokens)


if __name__ == "__main__":
    main(*sys.argv[1:])
