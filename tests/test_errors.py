from recbench.errors import unknown


def test_the_nearest_name_is_suggested():
    assert str(unknown("model", "ilra", ["ilora", "sasrec"])) == (
        "unknown model 'ilra'; did you mean 'ilora'?"
    )
    assert str(unknown("model", "SASRec", ["ilora", "sasrec"])).endswith("did you mean 'sasrec'?")


def test_without_a_near_name_all_are_listed():
    assert str(unknown("model", "zzz", ["sasrec", "ilora"])).endswith("known: ilora, sasrec")


def test_an_unknown_name_is_the_users_mistake():
    assert unknown("model", "x", []).exit_code == 2
