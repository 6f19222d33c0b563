import MySQLdb

print(".".join(map(str, MySQLdb.version_info[:3])))
