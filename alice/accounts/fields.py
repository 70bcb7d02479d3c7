"""Field types shared by bodies and forms, validated into the normal form that is stored."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from alice.accounts import password, user

MOST = 1000  # characters, for values that are only compared and never stored

Email = Annotated[str, AfterValidator(user.normal_email)]
Name = Annotated[str, AfterValidator(user.normal_name)]
NewPassword = Annotated[str, AfterValidator(password.acceptable)]
TypedEmail = TypedPassword = Annotated[str, StringConstraints(max_length=MOST)]
