"""Reads a meter as an inverter would, by pymodbus: HOST PORT WATT WATT_HOURS."""

import sys

from pymodbus.client import ModbusTcpClient

BASE, POWER, ENERGY = 40000, 40097, 40129

host, port, *expected = sys.argv[1:]
client = ModbusTcpClient(host, port=int(port))
if not client.connect():
    sys.exit("no connection")


def value(address, type, count=2):
    answer = client.read_holding_registers(address, count=count)
    if answer.isError():
        sys.exit(f"{address}: {answer}")
    return client.convert_from_registers(answer.registers, type)


marker = value(BASE, client.DATATYPE.STRING)
read = [abs(value(address, client.DATATYPE.FLOAT32)) for address in (POWER, ENERGY)]
if marker != "SunS" or read != [float(one) for one in expected]:
    sys.exit(f"{marker} {read}")
