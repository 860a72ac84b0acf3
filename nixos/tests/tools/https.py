"""Speaks https on port 8443, and passes on to port 8080 what it hears:  https.py CERTIFICATE KEY"""

import socket
import ssl
import sys
import threading


def copy(source: socket.socket, target: socket.socket) -> None:
    """Until either end closes; then both do."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for side in (source, target):
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client: socket.socket, context: ssl.SSLContext) -> None:
    try:
        with context.wrap_socket(client, server_side=True) as inside, socket.create_connection(("localhost", 8080)) as behind:
            threading.Thread(target=copy, args=(behind, inside), daemon=True).start()
            copy(inside, behind)
    except OSError as error:
        print(error, flush=True)


if __name__ == "__main__":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
    with socket.create_server(("", 8443)) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0], context), daemon=True).start()
