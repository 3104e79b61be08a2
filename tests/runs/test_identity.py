from recbench.runs.identity import row_digest, row_of, run_id, training_digest, training_id_of
from recbench.runs.record import FIGURE_VERSION
from recbench.runs.record_parts import Digests, Training

DIGESTS = Digests(dataset="d", catalogue="c", split="s", pack="p")


def test_a_row_is_everything_that_may_change_a_figure_but_the_seed():
    def row(
        *,
        model="m",
        settings=1,
        llm="x",
        digests=DIGESTS,
        protocol="paper",
        matching="exact",
        fraction=1,
        control=None,
    ):
        return row_digest(
            model=model,
            settings={"a": settings},
            ingredients={"llm": llm},
            digests=digests,
            protocol=protocol,
            matching=matching,
            training=Training(fraction=fraction),
            control=control,
        )

    other_pack = DIGESTS.model_copy(update={"pack": "q"})
    other_data = DIGESTS.model_copy(update={"dataset": "e"})
    rows = {
        row(),
        row(model="n"),
        row(settings=2),
        row(llm="y"),
        row(digests=other_pack),
        row(digests=other_data),
        row(protocol="next-item"),
        row(matching="substring"),
        row(fraction=0.5),
        row(control="other-user"),
        row(control="permuted-items"),
    }
    assert len(rows) == 11
    assert row() == row()
    assert run_id(row(), 0) != run_id(row(), 1)


def test_a_training_is_everything_that_decides_what_is_learnt_but_the_seed():
    def training(
        *,
        model="m",
        settings=1,
        llm="x",
        data="d",
        fraction=1,
        plugin="p 1",
        version=FIGURE_VERSION,
    ):
        return training_digest(
            model=model,
            settings={"a": settings},
            ingredients={"llm": llm},
            data=data,
            training=Training(fraction=fraction),
            plugin=plugin,
            figure_version=version,
        )

    trainings = {
        training(),
        training(model="n"),
        training(settings=2),
        training(llm="y"),
        training(data="e"),
        training(fraction=0.5),
        training(plugin="p 2"),
        training(version=FIGURE_VERSION + 1),
    }
    assert len(trainings) == 8
    assert training() == training()


def test_a_record_names_its_row_and_training(made):
    record = made(seed=4, settings={"a": 1}, ingredients={"llm": "x"}).record
    assert row_of(record) == record.row
    assert training_id_of(record) == record.trained.training_id
    assert record.trained.training_id.endswith("-seed4")


def test_another_question_asks_the_same_training(made):
    one, other = made(), made(pack="other", draws=1, protocol="next-item", matching="substring")
    assert one.record.trained.training_id == other.record.trained.training_id
    assert one.record.row != other.record.row
