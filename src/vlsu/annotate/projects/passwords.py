"""Ways into a project by name and password: a part of `vlsu.annotate.projects.project.Project`."""

from __future__ import annotations

from vlsu.annotate.projects.opened import Opened
from vlsu.annotate.work import passwords

__all__ = ["Passwords"]


class Passwords(Opened):
    """Signing in by name, and setting what that needs; hashing is outside transactions."""

    def sign_in_by_name(self, name: str, password: str) -> str | None:
        """Begin a session with a password; the session's token, or `None` if it does not fit.

        It takes as long for a name that nobody has, or that has no password.

        Raises:
            MachineError: Too many people sign in at the moment.
        """
        with self.database.read() as connection:
            person, known = passwords.known_hash(connection, name)
        if passwords.matches(known, password) and person is not None and known is not None:
            return self.write(lambda c, now: passwords.sign_in(c, person, known, now))
        self.write(lambda c, now: passwords.refuse_sign_in(c, person, now))
        return None

    def set_password(self, person: int, name: str, password: str, *, session: str) -> None:
        """Give somebody a password and end their other sessions.

        Args:
            person: Who.
            name: Theirs, which it must not be.
            password: New.
            session: Hash of the token of the session that stays.

        Raises:
            UsageError: It is easy to guess.
        """
        new = passwords.hashed(passwords.check_password(password, name))
        self.write(lambda c, now: passwords.set_password(c, person, new, now, session=session))

    def forget_password(self, person: int) -> None:
        """Take somebody's password away."""
        self.write(lambda c, now: passwords.forget_password(c, person, now))

    def is_password_of(self, person: int, password: str) -> bool:
        """Whether a password is somebody's.

        Raises:
            MachineError: Too many people sign in at the moment.
        """
        with self.database.read() as connection:
            known = passwords.hash_of(connection, person)
        return passwords.matches(known, password)

    def has_password(self, person: int) -> bool:
        """Whether somebody can sign in by name."""
        with self.database.read() as connection:
            return passwords.hash_of(connection, person) is not None
