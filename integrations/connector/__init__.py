"""Makes the definition of the Power Platform connector from the models of the API."""
