import psycopg2

print("version", psycopg2.__version__.split()[0])
