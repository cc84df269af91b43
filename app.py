"""The app: settings -> engine -> page. `python app.py` serves it; see ldm/ui/settings.py.

`python app.py --engine ray` leaves the drawing to replicas: see docs/scaling.md.
"""

import argparse
import os
import sys
from threading import Thread

from ldm.checkpoints.load import CheckpointError
from ldm.engine import Engine
from ldm.ui.demo import ICON, build_demo
from ldm.ui.engines import engine_of
from ldm.ui.script import STYLES, page_script
from ldm.ui.settings import Settings, SettingsError, read_settings
from ldm.ui.texts import translations
from ldm.ui.theme import Calm

MAX_SESSIONS = 200  # visitors whose opened picture is kept, a few megabytes each


def open_engine(settings: Settings, kind: str) -> Engine:
    """An engine in this process ("local"), or one whose replicas do the drawing ("ray")."""
    if kind == "local":
        return engine_of(settings, Engine)
    from ldm.scale.ray_engine import ray_engine  # an extra: requirements-scale.txt

    return ray_engine(settings)


def serve(settings: Settings, kind: str) -> None:
    """Load the models and serve the page until the process is ended."""
    engine = open_engine(settings, kind)
    first = engine.names()[0]
    engine.checkpoint(first)  # a model that cannot be used is told now, not to visitors
    Thread(target=engine.warm_up, args=[first], name="ldm-warm-up", daemon=True).start()
    # Handlers wait in the engine's own queue, where requests share work.
    demo = build_demo(engine, settings.clip, settings.classes).queue(
        max_size=settings.max_waiting, default_concurrency_limit=None
    )
    try:
        demo.launch(
            favicon_path=ICON,
            server_name=settings.host,
            server_port=settings.port,
            auth=[*settings.accounts] or None,
            theme=Calm(),
            css_paths=[*STYLES],
            js=page_script(),
            i18n=translations(),
            footer_links=[],
            mcp_server=True,
            run_history=False,
            ssr_mode=False,
            share=False,
            enable_monitoring=False,
            state_session_capacity=MAX_SESSIONS,
            max_file_size=settings.max_upload_megabytes * 1024 * 1024,
            # Gradio would ask for its own page, and end the app where that takes over 3 s.
            _frontend=False,
        )
    except OSError as error:
        address = f"{settings.host}, {settings.port}"
        raise SettingsError("LDM_HOST, PORT", address, "an address that is free") from error
    finally:
        engine.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Serve the page; the environment has the rest.")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="who draws")
    options = parser.parse_args()
    try:
        serve(read_settings(os.environ), options.engine)
    except (SettingsError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
