"""The app: settings -> engine -> page. `python app.py` serves it; see ldm/ui/settings.py."""

import os
import sys

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.ui.demo import ICON, SCRIPT, STYLE, build_demo
from ldm.ui.settings import Settings, SettingsError, read_settings
from ldm.ui.theme import Calm

# Handlers wait in the engine's own queue, where requests share work; Gradio's only holds the rest.
MAX_WAITING = 64
MAX_SESSIONS = 200  # visitors whose opened picture is kept, a few megabytes each


def serve(settings: Settings) -> None:
    """Load the models and serve the page until the process is ended."""
    engine = Engine(settings.models)
    engine.checkpoint(engine.names()[0])  # a model that cannot be used is told now, not to visitors
    demo = build_demo(engine).queue(max_size=MAX_WAITING, default_concurrency_limit=None)
    try:
        demo.launch(
            favicon_path=ICON,
            server_name=settings.host,
            server_port=settings.port,
            theme=Calm(),
            css_paths=STYLE,
            js=SCRIPT.read_text(encoding="utf-8"),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            share=False,
            enable_monitoring=False,
            state_session_capacity=MAX_SESSIONS,
            max_file_size=settings.max_upload_megabytes * 1024 * 1024,
        )
    except OSError as error:
        address = f"{settings.host}, {settings.port}"
        raise SettingsError("LDM_HOST, PORT", address, "an address that is free") from error
    finally:
        engine.close()


def main() -> int:
    try:
        serve(read_settings(os.environ))
    except (SettingsError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
