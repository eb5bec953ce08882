"""The same convolutions through several libraries: who agrees, differs, refuses, cannot say it."""
