"""The chat model behind a real server: that of transformers, with the built-in language model."""

import json
import shutil
import socket
import subprocess
import sys
import time
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from pyarrow import parquet

MISSING = [name for name in ("openai", "fastapi", "uvicorn") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason="pip install 'recbench[test]'"),
]
ASKED = ("--dataset", "movielens", "--protocol", "next-item", "--draws", "1", "--device", "cpu")
TEMPLATE = "{{ bos_token + messages[0]['content'] + '\\n' }}"
"""A question stands as it does in a plain prompt."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "tiny"
    shutil.copytree(str(files("recbench.llm") / "tiny"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture(scope="module")
def url(tiny):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = (sys.executable, "-m", "transformers.cli.transformers", "serve", str(tiny))
    how = ("--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port))
    with (tiny.parent / "log").open("w") as log:
        process = subprocess.Popen([*serve, *how], stdout=log, stderr=log)
    address, opener = f"http://127.0.0.1:{port}", build_opener(ProxyHandler({}))
    try:
        while process.poll() is None:
            try:
                opener.open(f"{address}/health").close()
                break
            except OSError:
                time.sleep(0.5)
        assert process.poll() is None, (tiny.parent / "log").read_text()
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait()


def test_asked_over_a_real_server_a_model_writes_what_it_writes_at_home(
    call_here, raw_folder, url, tiny, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    data = ("--data-dir", str(raw_folder), "--json")
    served = (f"endpoint={url}", f"chat_model={tiny}", "instruction=", "answer_tokens=16")
    changes = [part for one in served for part in ("--set", one)]
    texts, records = [], []
    for model in (("chatrec", *changes), ("zero-shot",)):
        code, out, err = call_here("run", "--model", *model, *ASKED, *data)
        assert code == 0, err
        path = Path(json.loads(out)["record"])
        records.append(json.loads(path.read_text()))
        texts.append(parquet.read_table(path.parent / "examples.parquet")["answer"].to_pylist())
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 10
    account, metrics = records[0]["account"], [one["metrics"] for one in records]
    assert metrics[0]["HitRatio@1"] == metrics[1]["HitRatio@1"]
    assert metrics[0]["ValidRatio"] == metrics[1]["ValidRatio"]
    assert (account["questions"], account["not_counted"]) == (60, 0)
    assert account["prompt_tokens"] > 60 * 100
    assert account["servers"][0]["model"].startswith(str(tiny))
