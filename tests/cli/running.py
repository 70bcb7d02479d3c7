"""Running `alice` on a test's database."""

from dataclasses import dataclass

from click.testing import CliRunner, Result

from alice import database
from alice.cli.main import main


@dataclass(frozen=True)
class Alice:
    """`alice("users", "list")` runs the command; `environ` is what it finds its database by."""

    environ: dict[str, str]

    def __call__(self, *arguments: str, input: str | bytes | None = None, **environ: str) -> Result:
        database.disconnect()  # the command binds anew
        return CliRunner().invoke(
            main, arguments, input=input, env=self.environ | environ, catch_exceptions=False
        )
