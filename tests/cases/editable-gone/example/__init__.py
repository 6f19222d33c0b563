def main():
    print("started")
