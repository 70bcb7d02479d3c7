"""The WSGI entry point, for `gunicorn app:app`. `python app.py` runs the development server."""

from alice.app import create_app

app = create_app()

if __name__ == "__main__":
    alice = app.extensions["alice"]
    alice.start()
    try:
        # No debugger: it executes any code that a client sends, and others may reach this address.
        app.run(alice.settings.host, alice.settings.port, debug=True, use_debugger=False, use_reloader=False)
    finally:
        alice.stop()
