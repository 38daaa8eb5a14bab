"""What several tests share: scripted models and their runs, servers, commands, made-up files."""
