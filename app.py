"""What gunicorn loads: `gunicorn app:app`. `python app.py` is the development server."""

from alice.app import create_app

app = create_app()

if __name__ == "__main__":
    alice = app.extensions["alice"]
    alice.start()
    try:
        # Werkzeug's debugger runs whatever it is told to: never on an address that others may reach.
        app.run(alice.settings.host, alice.settings.port, debug=True, use_debugger=False, use_reloader=False)
    finally:
        alice.stop()
