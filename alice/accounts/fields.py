"""What bodies and forms have in common: fields in the normal form of the rows they go to."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from alice.accounts import password, user

MOST = 1000  # characters of what is only compared with something

Email = Annotated[str, AfterValidator(user.normal_email)]
Name = Annotated[str, AfterValidator(user.normal_name)]
NewPassword = Annotated[str, AfterValidator(password.acceptable)]
TypedEmail = TypedPassword = Annotated[str, StringConstraints(max_length=MOST)]
TypedCode = Annotated[str, StringConstraints(min_length=1, max_length=100)]
