"""What gunicorn loads: `gunicorn app:app`. `python app.py` is the development server."""

from alice import create_app

app = create_app()

if __name__ == "__main__":
    alice = app.extensions["alice"]
    alice.start()
    try:
        app.run(alice.settings.host, alice.settings.port, debug=True, use_reloader=False)
    finally:
        alice.stop()
