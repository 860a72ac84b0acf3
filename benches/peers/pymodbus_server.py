"""pymodbus as a server of the block in a file: `pymodbus_server.py ADDRESS PORT FILE`.

Both for 3.0.0, which the script that this project replaces was made with, and for the newest, which
names things differently. (Named pymodbus.py, this file would be found in place of the library.)
"""

import asyncio
import sys
from pathlib import Path

import pymodbus.datastore as store
from pymodbus.server import StartAsyncTcpServer

BASE = 40000


def newest(words: list[int]) -> object:
    from pymodbus.simulator import DataType, SimData, SimDevice

    return SimDevice(0, simdata=[SimData(BASE, values=words, datatype=DataType.REGISTERS)])


def original(words: list[int]) -> object:
    # It counts from 1.
    device = store.ModbusSlaveContext(hr=store.ModbusSequentialDataBlock(BASE + 1, words))
    return store.ModbusServerContext(slaves=device, single=True)


async def main(address: str, port: int, path: str) -> None:
    words = [int(word) for word in Path(path).read_text().split()]
    where = (address, port)
    if hasattr(store, "ModbusSlaveContext"):
        more = {"allow_reuse_address": True, "backlog": 1024}
        await StartAsyncTcpServer(context=original(words), address=where, **more)
    else:
        await StartAsyncTcpServer(context=newest(words), address=where)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
