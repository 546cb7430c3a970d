"""The numbers behind the choices: studies of several runs each."""
