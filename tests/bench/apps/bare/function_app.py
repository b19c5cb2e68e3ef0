"""What the start of the app is compared with: one that imports the same libraries and answers one route."""

import azure.data.tables
import azure.functions as func
import azure.storage.queue
import cryptography.fernet
import idna
import jwt
import pydantic
import requests
import urllib3

LIBRARIES = (azure.data.tables, azure.storage.queue, cryptography.fernet, idna, jwt, pydantic, requests, urllib3)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("openapi.json", methods=["GET"])
def answer(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("{}", mimetype="application/json")
