"""The environment variables: their defaults, and what is refused."""

from pathlib import Path

import pytest

from ldm.ui import settings
from ldm.ui.settings import SettingsError, read_settings


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of two models in place of assets/models."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text("{}")
    monkeypatch.setattr("ldm.collection.MODELS", tmp_path)
    return tmp_path


def test_what_is_absent_has_a_default() -> None:
    found = read_settings({})
    assert (found.host, found.port) == ("127.0.0.1", 7860)
    assert list(found.models) == ["one", "two"]
    assert found.max_upload_megabytes == settings.NUMBERS["LDM_MAX_UPLOAD_MB"][0]
    assert (found.max_pixels, found.accounts, dict(found.loras)) == (None, (), {})
    assert found.clip == ""
    assert (found.max_seconds, found.memory, found.strict) == (1800, None, False)
    told = read_settings({"LDM_MAX_SECONDS": "60", "LDM_MEMORY_MB": "2", "LDM_STRICT": "1"})
    assert (told.max_seconds, told.memory, told.strict) == (60, 2 << 20, True)
    assert read_settings({"LDM_CLIP": " /models/clip "}).clip == "/models/clip"


def test_a_space_listens_to_everyone_unless_told_otherwise() -> None:
    assert read_settings({"SPACE_ID": "a/b"}).host == "0.0.0.0"
    assert read_settings({"SPACE_ID": "a/b", "LDM_HOST": "::1"}).host == "::1"


def test_the_chosen_model_comes_first_and_others_are_added(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "three"
    other.mkdir(parents=True)
    (other / "model_index.json").write_text("{}")
    found = read_settings({"LDM_MODEL": "two", "LDM_MODELS": str(other)})
    assert list(found.models) == ["two", "one", "three"]
    assert found.models["three"] == other


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "٣"),
        ("LDM_MODEL", "three"),
        ("LDM_MODELS", "/nowhere"),
        ("LDM_MAX_UPLOAD_MB", "0"),
        ("LDM_MAX_UPLOAD_MB", "1.5"),
        ("LDM_MAX_WAITING", "0"),
        ("LDM_MAX_TOGETHER", "many"),
        ("LDM_MAX_PIXELS", "-1"),
        ("LDM_LORAS", "/nowhere"),
    ],
)
def test_what_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: value})
    assert str(caught.value).startswith(f"{variable}: got '{value}', allowed: ")


def test_models_and_loras_are_folders_files_or_folders_of_them(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "three").mkdir(parents=True)
    (shelf / "three" / "model_index.json").write_text("{}")
    (shelf / "four.safetensors").write_bytes(b"")
    (shelf / "notes.txt").write_text("no model")
    environment = {"LDM_MODELS": str(shelf), "LDM_LORAS": str(shelf)}
    found = read_settings(environment)
    assert list(found.models) == ["one", "two", "three", "four"]
    assert dict(found.loras) == {"four": shelf / "four.safetensors"}


def test_accounts_are_read_and_never_shown() -> None:
    accounts = read_settings({"LDM_AUTH": "ann:one:two, ben:three"}).accounts
    assert accounts == (("ann", "one:two"), ("ben", "three"))
    with pytest.raises(SettingsError) as caught:
        read_settings({"LDM_AUTH": "ann:secret,ben"})
    assert "secret" not in str(caught.value)


def test_no_model_at_all_is_no_settings_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ldm.collection.MODELS", tmp_path / "absent")
    assert read_settings({}).models == {}  # the engine says what is missing
