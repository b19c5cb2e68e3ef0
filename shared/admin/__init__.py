"""What a person asks for: register, try again, replay, erase, test. The backend of the API and the console."""
