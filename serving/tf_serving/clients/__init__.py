"""Example clients of TF Serving, each a program by itself: copy what is needed. They use nothing of this project."""
