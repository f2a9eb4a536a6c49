"""Settings from `.env` and from the files of `<NAME>_FILE` variables."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.errors import SettingsError
from offpath.settings import Settings, SourceKind, load_dotenv_into_environment
from offpath.settings.dotenv_file import DotenvFile

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(Settings.options()))
def test_every_option_can_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    option = Settings.options()[name]
    text = {
        "api_key": KEY,
        "api_keys_file": "keys.json",
        "judge_budget_usd": "12.5",
        "database_direct_url": "postgresql://db.example/runs",
        "retention_days": "7",
        "worker_port": "7778",
    }.get(name) or option.shown(option.default)
    file = tmp_path / "value"
    file.write_text(f"\n {text or 'https://a.example'}\n" if "origins" in name else f" {text or 'a.example'} \n")
    monkeypatch.setenv(option.file_variable, str(file))
    loaded = Settings.load()
    source = loaded.sources()[name]
    assert source.kind is SourceKind.FILE
    assert str(source) == f"file {file}, from {option.file_variable} in the environment"
    if name == "api_key":
        assert loaded.api_key is not None
        assert loaded.api_key.get_secret_value() == KEY


def test_the_lines_of_a_file_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hosts").write_bytes(b"\xef\xbb\xbfa.example\r\nb.example\r\n")
    monkeypatch.setenv("OFFPATH_ALLOWED_HOSTS_FILE", "hosts")
    assert Settings.load().allowed_hosts == ("a.example", "b.example")


def test_a_wrong_value_in_a_file_is_named_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("port.txt").write_text("many\n")
    monkeypatch.setenv("OFFPATH_PORT_FILE", "port.txt")
    assert "OFFPATH_PORT_FILE='many' (file port.txt, from OFFPATH_PORT_FILE in the environment)" in refusal()


def test_value_and_file_in_one_place_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key").write_text(KEY)
    monkeypatch.setenv("OFFPATH_API_KEY", KEY)
    monkeypatch.setenv("OFFPATH_API_KEY_FILE", "key")
    message = refusal()
    assert message == (
        "a setting is wrong: OFFPATH_API_KEY (environment): OFFPATH_API_KEY_FILE is set too; keep one of the two"
    )
    monkeypatch.delenv("OFFPATH_API_KEY")
    monkeypatch.delenv("OFFPATH_API_KEY_FILE")
    Path(".env").write_text("OFFPATH_PORT_FILE=key\nOFFPATH_PORT=1\n")
    assert "OFFPATH_PORT (.env line 2): OFFPATH_PORT_FILE is set too" in refusal()


def test_the_environment_beats_dotenv_in_either_form(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("port").write_text("1")
    Path(".env").write_text("OFFPATH_PORT=2\nOFFPATH_WORKERS_FILE=port\n")
    monkeypatch.setenv("OFFPATH_PORT_FILE", "port")
    monkeypatch.setenv("OFFPATH_WORKERS", "3")
    loaded = Settings.load()
    assert (loaded.port, loaded.workers) == (1, 3)


def test_a_wrong_environment_does_not_fall_back_to_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("OFFPATH_PORT_FILE=/does/not/exist\nOFFPATH_WORKERS=none\n")
    monkeypatch.setenv("OFFPATH_PORT", "")
    monkeypatch.setenv("OFFPATH_WORKERS", "")
    message = refusal()
    assert message.startswith("2 settings are wrong:")
    assert ".env" not in message


def test_a_file_named_in_dotenv() -> None:
    Path("port").write_text("1")
    Path(".env").write_text("\n\nOFFPATH_PORT_FILE=port\n")
    loaded = Settings.load()
    assert loaded.port == 1
    assert str(loaded.sources()["port"]) == "file port, from OFFPATH_PORT_FILE in .env line 3"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b" \n", "the file is empty"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"1" * 1_048_577, "more than 1048576 bytes"),
    ],
)
def test_an_unusable_file_is_refused(monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str) -> None:
    for option in ("API_KEY", "RETENTION_DAYS"):
        if content is not None:
            Path("value.txt").write_bytes(content)
        monkeypatch.setenv(f"OFFPATH_{option}_FILE", "value.txt")
        message = refusal()
        assert f"OFFPATH_{option}_FILE='value.txt' (environment): the file" in message
        assert reason in message


def test_a_directory_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OFFPATH_PORT_FILE", str(tmp_path))
    assert "cannot be read: Is a directory" in refusal()


def test_dotenv_syntax() -> None:
    Path(".env").write_bytes(
        "\ufeff# a comment\r\nexport OFFPATH_PORT=1 # one\r\nOFFPATH_HOST='::1'\r\n"
        'OFFPATH_ALLOWED_ORIGINS="https://a.example,\n https://b.example"\nOFFPATH_PORT=2\nNOT_OURS\n'.encode()
    )
    loaded = Settings.load()
    assert (loaded.port, loaded.host) == (2, "::1")
    assert loaded.allowed_origins == ("https://a.example", "https://b.example")
    assert str(loaded.sources()["port"]) == ".env line 6"


def test_dotenv_refers_to_other_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "outer")
    Path(".env").write_text("PASSWORD=inner\nNAME=ada\nOFFPATH_DATABASE_URL=postgresql://${NAME}:${PASSWORD}@db/x\n")
    assert Settings.load().database_url == "postgresql://ada:outer@db/x"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (f'OFFPATH_PORT=1\n\nOFFPATH_API_KEY="{KEY}\n'.encode(), "a line (.env line 3): cannot be understood"),
        (f"{KEY} is my key\n".encode(), "a line (.env line 1): cannot be understood"),
        (b"\nOFFPATH_API_KEY\n", "OFFPATH_API_KEY (.env line 2): has no value; write OFFPATH_API_KEY=value"),
        (f"OFFPATH_API_KYE={KEY}\n".encode(), "OFFPATH_API_KYE (.env line 1): there is no such option; did you mean"),
        (f"A={KEY}\0\n".encode(), "a line (.env line 1): cannot be understood"),
        (b"A=\xff", ".env (working directory): not UTF-8 at byte 2"),
    ],
)
def test_a_wrong_dotenv_is_refused(content: bytes, place: str) -> None:
    Path(".env").write_bytes(content)
    message = refusal()
    assert place in message
    assert KEY not in message


def test_a_directory_called_dotenv_is_left_alone() -> None:
    Path(".env").mkdir()
    assert Settings.load().port == 7777
    assert load_dotenv_into_environment() == []


def test_foreign_variables_of_dotenv_reach_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path(".env").write_text(f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL=http://elsewhere\nOFFPATH_PORT=8000\nBARE\n")
    assert load_dotenv_into_environment() == ["OPENAI_API_KEY"]
    assert os.environ["OPENAI_API_KEY"] == KEY
    assert os.environ["OPENAI_BASE_URL"] == ""
    assert "OFFPATH_PORT" not in os.environ
    # ... so that it is still known where the port came from
    assert str(Settings.load().sources()["port"]) == ".env line 3"


def test_nothing_of_a_wrong_dotenv_reaches_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(f"OPENAI_API_KEY={KEY}\n= broken\n")
    with pytest.raises(SettingsError, match="line 2"):
        load_dotenv_into_environment()
    assert "OPENAI_API_KEY" not in os.environ


@given(st.one_of(st.binary(max_size=80), st.text("AB=\"'#$\\{}: \n\r\t\0\u2028", max_size=40).map(str.encode)))
def test_any_dotenv_can_be_read(content: bytes) -> None:
    path = Path("any.env")
    path.write_bytes(content)
    dotenv = DotenvFile.read(path)
    assert dotenv.values.keys() == dotenv.lines.keys()
    assert all("\0" not in value and "=" not in name for name, value in dotenv.values.items())
