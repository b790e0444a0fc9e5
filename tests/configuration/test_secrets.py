import pytest

from segbench.configuration.schema import validate
from segbench.configuration.secrets import refuse_secrets
from segbench.errors import ConfigError


@pytest.mark.parametrize(
    ("node", "key", "name"),
    [
        ({"data": {"root": "${oc.env:HF_TOKEN}"}}, "data.root", "HF_TOKEN"),
        ({"data": {"root": "s3://${ oc.env: AWS_SECRET_ACCESS_KEY , none}@x"}}, "data.root", "AWS_SECRET_ACCESS_KEY"),
        ({"a": [1, {"b": "${oc.env:HOME}${oc.env:db_password}"}]}, "a.1.b", "db_password"),
        ({"a": "${oc.decode:${oc.env:MY_CREDENTIALS}}"}, "a", "MY_CREDENTIALS"),
        ({"${oc.env:WANDB_API_KEY}": 1}, "${oc.env:WANDB_API_KEY}", "WANDB_API_KEY"),
    ],
)
def test_a_secret_of_the_environment_is_refused_by_its_name(monkeypatch, node, key, name):
    monkeypatch.setenv(name, "canary")
    with pytest.raises(ConfigError) as refusal:
        refuse_secrets(node)
    assert str(refusal.value).startswith(f"{key}: reads {name} from the environment")
    assert "canary" not in str(refusal.value)


def test_other_variables_may_be_read(compose, monkeypatch):
    monkeypatch.setenv("MY_DATA", "here")
    validate(compose("data=carvana", "data.root=${oc.env:MY_DATA}"))


def test_the_command_line_is_checked(compose, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary")
    with pytest.raises(ConfigError, match=r"data.root: reads HF_TOKEN"):
        validate(compose("data=carvana", "data.root=${oc.env:HF_TOKEN}"))
